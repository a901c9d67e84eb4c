"""Trainings: one, or those of teachers and of the student that they teach."""
