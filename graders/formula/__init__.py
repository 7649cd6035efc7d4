"""The `calculate_output` of a multi grader: a small arithmetic language, compiled once."""

from graders.formula.parser import MAX_DEPTH, MAX_LENGTH, compile_formula
from graders.formula.program import FUNCTIONS, Formula, FormulaValueError

__all__ = [
    "FUNCTIONS",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "Formula",
    "FormulaValueError",
    "compile_formula",
]
