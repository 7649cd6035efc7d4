"""What each code and name in what graders print means: what it is, why it matters, an example, the cure."""

from graders.inspection.meaning.entry import SORTS, Case, Meaning, Sort
from graders.inspection.meaning.find import beginning_with, every, meaning_of

__all__ = ["SORTS", "Case", "Meaning", "Sort", "beginning_with", "every", "meaning_of"]
