"""From a space to candidates: the Optuna study, its budget and its finalists."""
