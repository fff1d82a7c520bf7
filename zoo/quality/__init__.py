"""The quality classifier: whether a solution is right, by its text alone.

SciInstruct's (arXiv 2401.07950) was trained on solutions that ended on an answer marker against ones that did
not, and so learned the marker. Here right and wrong solutions have one shape and answer the same prompts, every score is of a
model that has not seen the question, and the classifier may filter only where its AUROC is high and that of a rule which
sees nothing but form is not.
"""

PROMPT = "quality"  # what the student is asked: annotators/shared/prompts/quality.j2, a domain's in prompts/shared/
