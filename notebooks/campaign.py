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
# # A campaign
#
# What a campaign has been through, what its properties had to say, how soon it found what, and how
# many different failures that were. It reads the folder that `DUOPOLL_CAMPAIGN` names: what
# `duopoll campaign --dir DIR` leaves (a sample of its runs, and those that showed something new),
# or `duopoll fuzz --observe DIR/observations.jsonl --out DIR/failures` (all of them). Without one,
# a small campaign is made first: the model as it is, and two mutants.

# %%
import tempfile

import matplotlib.pyplot as plt

from harness import frames
from harness.observe import OBSERVATIONS
from harness.views.campaigns import FAILURES, campaign_folder

folder = campaign_folder(tempfile.mkdtemp())
runs = frames.observations_frame(folder / OBSERVATIONS)
seen = frames.seen_frame(folder / OBSERVATIONS)
runs.groupby(["world", "how"])[["records", "decisions", "judged", "seconds"]].describe().T.loc[
    (slice(None), ["count", "mean", "max"]), :
]

# %% [markdown]
# ## How much of the space was new, and for how long
#
# Distinct features of scenarios and runs, and distinct properties that had something to say, over
# the runs so far. Where a line is flat, more runs of the same kind show nothing new.

# %%
first = seen.groupby(["sort", "name"])["run"].min().reset_index()
figure, panel = plt.subplots(figsize=(8, 3))
for sort, rows in first.groupby("sort"):
    new = rows["run"].sort_values()
    panel.step(new, range(1, len(new) + 1), where="post", label=f"distinct {sort}")
panel.set_xlabel("run")
panel.legend()
figure.tight_layout()

# %% [markdown]
# ## The rarest features
#
# In how many of these runs each was: what is rare here is hardly tested.

# %%
features = seen[seen["sort"] == "feature"].groupby("name")["run"].nunique().sort_values()
panel = features.head(25).plot.barh(figsize=(8, 6), xlabel="runs", ylabel="")
panel.figure.tight_layout()

# %% [markdown]
# ## What the properties said
#
# In how many runs of each world a property had something to judge. One that is missing was never
# put to the test, so it did not pass.

# %%
judged = seen[seen["sort"] == "property"].merge(runs[["run", "world"]], on="run")
judged.pivot_table(index="name", columns="world", values="run", aggfunc="nunique", fill_value=0)

# %% [markdown]
# ## Time to find
#
# The first run in which each property broke, and how long the campaign had been running by then.

# %%
broken = runs.dropna(subset=["property"])
broken.groupby(["mutant", "world", "property"])[["run", "elapsed_s"]].min()

# %%
figure, panel = plt.subplots(figsize=(8, 3))
for name, rows in broken.groupby("property"):
    panel.step(rows["elapsed_s"], range(1, len(rows) + 1), where="post", label=name)
panel.set_xlabel("seconds in runs")
panel.set_ylabel("runs in which it broke")
panel.legend()
figure.tight_layout()

# %% [markdown]
# ## Different failures
#
# One row a failure file; the signature tells violations apart that are of one property but of
# different causes.

# %%
failures = frames.failures_frame(folder / FAILURES)
print(f"{failures['signature'].nunique()} different failures in {len(failures)} files")
failures
