# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A failure, taken apart
#
# One failure file: what happened on which lane, which decisions of the simulator it took, from
# where on it was certain, and the way of the bytes. `duopoll export FILE --to html` makes a page
# of the same. Any other file will do: put its path where the campaign's failure is.

# %%
import tempfile

import matplotlib.pyplot as plt
import pandas as pd

from harness import frames
from harness.failure import FailureFile, save_in
from harness.fuzz import fuzz
from harness.story import story
from harness.views.explained import explanation_of

found = fuzz(("sim-epoll",), runs=4000, seed=5, mutant="short-write-lost", stop_at_first=True)
(first,) = found.failures
failure = FailureFile.of(first.outcome, first.property)
path = save_in(tempfile.mkdtemp(), failure)
print("\n".join(story(failure)))

# %% [markdown]
# ## Lanes
#
# A mark a record, from the client's application down to its kernel and up the server's; the line is
# the record at which the promise broke.

# %%
lanes = frames.lanes_frame(path)
order = lanes.drop_duplicates("lane").sort_values("position")
figure, panel = plt.subplots(figsize=(10, 3))
for sort, rows in lanes.groupby("sort"):
    panel.scatter(rows["record"], -rows["position"], label=sort, marker="s", s=18)
panel.set_yticks(-order["position"], order["lane"])
panel.axvline(failure.violation.record, color="tab:red")
panel.set_xlabel("record")
panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))
figure.tight_layout()

# %% [markdown]
# ## Decisions
#
# Each decision that was not the dull one, and whether the run fails without it.

# %%
explanation = explanation_of(failure)
decisions = pd.DataFrame(
    explanation["decisions"],
    columns=["index", "name", "value", "instead", "still_fails", "record"],
)
decisions

# %% [markdown]
# ## From where on was it certain?
#
# How many of the runs with the same beginning fail, the further that beginning goes.

# %%
curve = pd.DataFrame(explanation["curve"], columns=["decision", "record", "failed", "of"])
figure, panel = plt.subplots(figsize=(8, 3))
panel.plot(curve["decision"], curve["failed"] / curve["of"], marker=".")
panel.set_xlabel("decisions kept")
panel.set_ylabel("part that fails")
panel.set_ylim(-0.05, 1.05)
figure.tight_layout()

# %% [markdown]
# ## Bytes
#
# What was written, sent, received and read of each direction, as records went by.

# %%
moves = frames.moves_frame(path)
counted = moves[moves["stage"] != "told"]
figure, panel = plt.subplots(figsize=(8, 3))
for name, rows in counted.groupby(["pipe", "stage"]):
    panel.step(rows["record"], rows["end"], where="post", marker=".", label=" ".join(name))
panel.set_xlabel("record")
panel.set_ylabel("bytes")
panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))
figure.tight_layout()

# %%
moves
