"""How well a grader agrees with people's labels, and a judge with itself."""

from __future__ import annotations

from graders.inspection.agreement.calibration import Bin, Calibration, calibrate
from graders.inspection.agreement.confusion import Confusion, Rate, confusion
from graders.inspection.agreement.label import Labels, layout_of, read_labels
from graders.inspection.agreement.repeat import Repeated, Variance, variance_of
from graders.inspection.agreement.result import Agreement, AgreementReport, GroupAgreement, agree
from graders.inspection.agreement.threshold import BestCut, area, best_cuts

__all__ = [
    "Agreement", "AgreementReport", "BestCut", "Bin", "Calibration", "Confusion", "GroupAgreement", "Labels", "Rate",
    "Repeated", "Variance", "agree", "area", "best_cuts", "calibrate", "confusion", "layout_of",
    "read_labels", "variance_of",
]  # fmt: skip
