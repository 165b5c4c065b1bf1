"""The scikit-learn face of Graft."""
