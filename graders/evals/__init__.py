"""Evals as the hosted API had them: criteria, runs over rows or a model's answers, output items."""
