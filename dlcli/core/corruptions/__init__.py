"""The fifteen common corruptions of Hendrycks and Dietterich 2019 (arXiv 1903.12261)."""
