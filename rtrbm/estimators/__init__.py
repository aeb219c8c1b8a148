"""The habits of scikit-learn, once for all models."""
