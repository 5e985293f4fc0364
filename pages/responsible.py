"""Where data goes, what this cannot know, and what the law says."""

import numpy as np
import streamlit as st

from pages._shared import errors, frame, resources, words


def failures(record: dict) -> list[str]:
    """Where a measured model fails most, in sentences with figures."""
    matrix, classes = np.array(record["confusion"]), record["classes"]
    recall, support = record["per_class"]["recall"], record["per_class"]["support"]
    met = [i for i in range(len(classes)) if support[i]]
    worst, best = min(met, key=lambda i: recall[i]), max(met, key=lambda i: recall[i])
    off = matrix * (1 - np.eye(len(classes), dtype=int))
    true, guess = np.unravel_index(off.argmax(), off.shape)
    return [
        f"Of {int(matrix.sum()):,} measured faces it reads {int(matrix.sum() - np.trace(matrix)):,} wrongly "
        f"({words.percent(1 - record['accuracy'])}).",
        f"It finds {words.percent(recall[best], 0)} of the {support[best]:,} {classes[best]} faces, "
        f"but {words.percent(recall[worst], 0)} of the {support[worst]:,} {classes[worst]} ones.",
        f"Its commonest error: {off[true, guess]:,} of {matrix[true].sum():,} {classes[true]} faces "
        f"are read as {classes[guess]}.",
    ]


KNOWS_NOT = """
- It reads the **picture of a face, not a feeling**. People smile when they are nervous and look angry
  when they think. That is why the app says “looks happy”, never “is happy”.
- It knows nothing of the situation, the person, or the moment before and after.
- Expressions differ between people and cultures. The training photos came from web searches: whom they
  leave out, the models know less about.
- Where it is wrong more often than right, it says **can't tell**. Take that as an answer.
"""

LAW = """
- **Not at work, not in education.** In the European Union the AI Act, Article 5(1)(f), forbids systems
  that infer emotions of people at the workplace or in schools and universities, except for medical or
  safety reasons. The ban has applied since 2 February 2025; fines reach €35 million or 7 % of turnover.
- **Tell people.** Whoever uses a system that recognises emotions must inform those whom it looks at
  (Article 50(3)).
- A photo of a person is personal data: have their consent or another lawful ground (GDPR).
- Elsewhere other laws apply. This is not legal advice.
"""

with frame.page("Responsible use", "What this can and cannot tell, for whoever points it at a person."):
    st.subheader("Where a photo goes", anchor=False)
    st.markdown(
        f"{words.privacy()} It is in the page's memory until you remove it or close the page. The app "
        "sends it to nobody, keeps no log of what it saw and gathers no statistics. Only a picture named by "
        "its link is fetched from its site, which then sees a visitor. Camera pictures are looked at and "
        "dropped; a recording that you ask for goes with the page. The copy of a video and its table stay "
        "until you delete them. A face that you report as wrong is stored only after you agreed to it."
    )

    st.subheader("What it cannot know", anchor=False)
    st.markdown(KNOWS_NOT)

    st.subheader("Where it fails", anchor=False)
    for card in resources.models().values():
        record = words.headline(card)
        if record:
            st.markdown(f"**{errors.plain(card.title)}** {errors.plain(words.measured(card))}.")
            st.markdown("\n".join(f"- {errors.plain(sentence)}" for sentence in failures(record)))

    st.subheader("What the law says", anchor=False)
    st.markdown(LAW)

    st.subheader("What it is not for", anchor=False)
    st.markdown(
        "Not for hiring, grading, policing, credit, insurance, lie detection, diagnosis or watching people. "
        "No decision about a person should rest on what it says."
    )

    st.subheader("If somebody asks to be deleted", anchor=False)
    st.markdown(
        "Photos read on the Photo page are not stored: removing them or closing the page is enough. Videos "
        "are deleted on their own page. Pictures in a dataset, of one person or all of it, are deleted for "
        "good under Datasets, Versions and export. The history keeps that something was deleted, not what. A "
        "model that learned from them stays until it is trained anew."
    )
