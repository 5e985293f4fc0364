"""The engine of FER Studio: faces in, expressions out. Never imports streamlit."""

__version__ = "0.8.0"
