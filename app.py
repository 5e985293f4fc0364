"""FER Studio: `streamlit run app.py`. Says which pages there are, and nothing else."""

# First of all: should TensorFlow ever be imported in this process, then after this (see ARCHITECTURE.md).
import pylibsrtp  # noqa: F401, I001

import streamlit as st

st.set_page_config(page_title="FER Studio", page_icon="pages/_shared/icon.png", layout="wide")
st.navigation(
    {
        "": [st.Page("pages/home.py", title="Home", default=True)],
        "Use": [
            st.Page("pages/photo.py", title="Photo"),
            st.Page("pages/live.py", title="Live"),
            st.Page("pages/video.py", title="Video"),
        ],
        "Data": [
            st.Page("pages/datasets.py", title="Datasets"),
            st.Page("pages/relabel.py", title="Relabel"),
        ],
        "Models": [
            st.Page("pages/train.py", title="Train"),
            st.Page("pages/teach.py", title="Teach"),
            st.Page("pages/evaluate.py", title="Evaluate"),
            st.Page("pages/library.py", title="Library"),
        ],
        "About": [st.Page("pages/responsible.py", title="Responsible use")],
    }
).run()
