"""`graders validate` as a linter: rules with stable codes over a config, its rows and its job."""

from graders.inspection.lint.fault import of_faults
from graders.inspection.lint.finding import TARGETS, Example, Finding, Hit, Target
from graders.inspection.lint.github import github
from graders.inspection.lint.measure import Measured, askable, measure, observed
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.run import RULES, check_codes, chosen, lint, rules
from graders.inspection.lint.sarif import sarif
from graders.inspection.lint.subject import Subject
from graders.inspection.lint.training import TrainingFile, read_training

__all__ = [
    "RULES",
    "TARGETS",
    "Example",
    "Finding",
    "Hit",
    "Measured",
    "Rule",
    "Subject",
    "Target",
    "TrainingFile",
    "askable",
    "check_codes",
    "chosen",
    "github",
    "lint",
    "measure",
    "observed",
    "of_faults",
    "read_training",
    "rules",
    "sarif",
]
