"""What a model of valence and arousal, or of same-or-not, was measured to do."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages._shared import charts


def affect(records: list[dict]) -> None:
    """A table: for each axis how closely the answers follow the truth."""
    rows = [
        {
            "measured on": f"{record['dataset']} {record['split']}",
            "of": axis,
            "CCC": "{ccc:.3f} ({ccc_low:.3f} to {ccc_high:.3f})".format(**record[axis]),
            "Pearson": f"{record[axis]['pearson']:.3f}",
            "RMSE": f"{record[axis]['rmse']:.3f}",
            "faces": record["n"],
        }
        for record in records
        for axis in ("valence", "arousal")
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt="Agreement of valence and arousal with the truth",
        column_config={
            "of": st.column_config.TextColumn(
                help="Valence: unpleasant to pleasant. Arousal: calm to excited."
            ),
            "CCC": st.column_config.TextColumn(
                help="Concordance correlation with its 95 % interval: 1 is agreement, 0 none; shifts count."
            ),
            "Pearson": st.column_config.TextColumn(
                help="Correlation: 1 follows the truth; shifts do not count."
            ),
            "RMSE": st.column_config.TextColumn(
                help="Typical distance from the truth, on a scale of -1 to 1."
            ),
        },
    )


def similarity(records: list[dict]) -> None:
    """Same expression or not: figures, the ROC curve, and the classification from few examples."""
    record = records[0]
    half = (record["accuracy_high"] - record["accuracy_low"]) * 50
    people = " of two people each" if record["across_subjects"] else ""
    st.markdown(
        f"Of {record['n']:,} pairs{people}, half of them of the same expression, it tells "
        f"**{record['accuracy'] * 100:.1f} % ± {half:.1f}** right (guessing: 50 %); area under the curve "
        f"**{record['auc']:.3f}** (guessing: 0.5); equal error {record['equal_error'] * 100:.1f} %."
    )
    figure = go.Figure()
    figure.add_scatter(
        x=[100 * point["fpr"] for point in record["roc"]],
        y=[100 * point["tpr"] for point in record["roc"]],
        mode="lines",
        line={"color": "#2F8F9A", "width": 2},
        hovertemplate="%{y:.0f} % of the same found,<br>%{x:.0f} % of the others taken for it<extra></extra>",
    )
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": "#8C8C8C", "dash": "dot"}, hoverinfo="skip"
    )
    axes = {"range": [-2, 102], "ticksuffix": " %", "fixedrange": True, "gridcolor": "rgba(128,128,128,0.25)"}
    figure.update_xaxes(title="different pairs taken for the same", **axes)
    figure.update_yaxes(title="same pairs found", automargin=True, **axes)
    charts.plain(figure, height=320)
    with st.container(width=440):
        st.plotly_chart(figure, key="roc", config=charts.BUTTONS, alt="Receiver operating characteristic")
    few = [
        {
            "examples of each": part["shot"],
            "expressions": part["way"],
            "right": f"{part['accuracy'] * 100:.1f} % ({part['accuracy_low'] * 100:.1f} to "
            f"{part['accuracy_high'] * 100:.1f})",
            "guessing": f"{part['chance'] * 100:.1f} %",
            "rounds": part["episodes"],
        }
        for part in record["few_shot"]
    ]
    if few:
        st.caption("Named from a few examples of each expression:")
        st.dataframe(pd.DataFrame(few), hide_index=True, alt="Classification from few examples")
