"""Candidates are proposed, put in order, screened, and the best looked at longer."""
