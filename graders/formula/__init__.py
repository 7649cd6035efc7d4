"""The `calculate_output` of a multi grader: a small arithmetic language, compiled once."""

from graders.formula.parser import MAX_DEPTH, MAX_LENGTH, compile_formula
from graders.formula.program import FUNCTIONS, NAME, NUMBER, Formula, FormulaValueError

__all__ = [
    "FUNCTIONS",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "NAME",
    "NUMBER",
    "Formula",
    "FormulaValueError",
    "compile_formula",
]
