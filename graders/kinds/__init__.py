"""The kinds of graders, one module each: fields, texts, scores, what is asked and what replies mean."""

from graders.kinds.endpoint import Endpoint
from graders.kinds.extended import RESERVED, load_kind
from graders.kinds.fault import faults_of, faults_of_made
from graders.kinds.field import GraderConfig, Model, Number, Str, Text
from graders.kinds.judge import Judged, Judgement, Panelled, messages, texts
from graders.kinds.kind import Asked, Code, Kind, Performer, Rows, Scores, Settled, TextField
from graders.kinds.label_model import LabelModel
from graders.kinds.message import Messages
from graders.kinds.multi import TYPES, AnyGrader, EvalCriteria, Multi
from graders.kinds.python import Python
from graders.kinds.score_model import ScoreModel
from graders.kinds.string_check import StringCheck, holds
from graders.kinds.table import KINDS, kind_named, kind_of
from graders.kinds.text_similarity import TextSimilarity

__all__ = [
    "KINDS",
    "RESERVED",
    "TYPES",
    "AnyGrader",
    "Asked",
    "Code",
    "Endpoint",
    "EvalCriteria",
    "GraderConfig",
    "Judged",
    "Judgement",
    "Kind",
    "LabelModel",
    "Messages",
    "Model",
    "Multi",
    "Number",
    "Panelled",
    "Performer",
    "Python",
    "Rows",
    "ScoreModel",
    "Scores",
    "Settled",
    "Str",
    "StringCheck",
    "Text",
    "TextField",
    "TextSimilarity",
    "faults_of",
    "holds",
    "kind_named",
    "kind_of",
    "load_kind",
    "messages",
    "texts",
]

# What is wrong with a grader made in Python is worded by a module that knows every kind.
type(GraderConfig).faults = staticmethod(faults_of_made)  # type: ignore[attr-defined]
