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
# # One scenario, four worlds
#
# An echo over a bufferevent, in every world that runs here; then a mutant's failure, which is the
# same question asked of a model with a bug. The notebook reads traces through `harness.frames`
# and holds no logic of its own.
#
# Run it with `jupytext --to ipynb --execute notebooks/worlds.py`.

# %%
import matplotlib.pyplot as plt

from harness import frames
from harness.scenario import AppStep, BuffereventEnd, Connection, PeerEnd, Scenario, Step
from harness.worlds import WORLDS

# %% [markdown]
# ## The scenario
#
# The client `c0` is a bufferevent: it echoes all it reads, and the program writes 20,000 bytes of
# its own. The server `s0` is a raw peer: it sends in odd segments, rests for 3 ms, sends more,
# reads all that comes back and half-closes.

# %%
scenario = Scenario(
    connections=(
        Connection(
            client=BuffereventEnd(after_reads="echo"),
            server=PeerEnd(
                steps=(
                    Step("send", ((1, 4095, 4097),)),
                    Step("pause", (3_000_000,)),
                    Step("send", ((8000,),)),
                    Step("recv", (20_000 + 1 + 4095 + 4097 + 8000,)),
                    Step("shutdown"),
                )
            ),
        ),
    ),
    app=(AppStep("write", "c0", (20_000,)),),
)
outcomes = frames.in_worlds(scenario, WORLDS)
frames.outcomes_frame(list(outcomes.values())).T

# %% [markdown]
# The bytes are the same in every world; the records are not, since a readiness kernel is asked
# and a completion kernel tells. `checked` is how many properties the run said something about.

# %%
traces = frames.together({world: frames.trace_frame(run) for world, run in outcomes.items()})
traces.pivot_table(index="kind", columns="world", values="record", aggfunc="count", fill_value=0)

# %% [markdown]
# ## Bytes over time
#
# What the client's kernel sent and received, added up. Simulated time is virtual: where no
# decision says otherwise, the network takes no time at all and only the peer's pause shows.

# %%
moved = {world: frames.bytes_frame(run) for world, run in outcomes.items()}
figure, panels = plt.subplots(1, len(moved), figsize=(4 * len(moved), 3), squeeze=False)
for panel, (world, frame) in zip(panels[0], moved.items(), strict=True):
    client = frame[(frame["end"] == "c0") & (frame["layer"] == "kernel")]
    for direction, line in client.groupby("direction"):
        panel.step(line["t_ns"] / 1e6, line["total"], where="post", marker=".", label=direction)
    panel.set_title(world)
    panel.set_xlabel("ms")
    panel.legend()
panels[0][0].set_ylabel("bytes of c0")
figure.tight_layout()

# %% [markdown]
# ## Callbacks over time

# %%
callbacks = frames.together({w: frames.callbacks_frame(run) for w, run in outcomes.items()})
figure, panel = plt.subplots(figsize=(9, 3))
for which, rows in callbacks.groupby("which"):
    panel.scatter(rows["t_ns"] / 1e6, rows["world"], label=which, marker="|", s=300)
panel.set_xlabel("ms")
panel.legend(title="callback")
figure.tight_layout()
callbacks.groupby(["world", "which"]).size().unstack(fill_value=0)

# %% [markdown]
# ## A mutant's failure
#
# A mutant is the model with one bug put back. A short campaign finds it, shrinks it and keeps it;
# the failure file is all that is needed to look at it.

# %%
import tempfile

from harness.failure import FailureFile, save_in
from harness.fuzz import fuzz
from harness.story import story

found = fuzz(("sim-epoll", "sim-iocp"), runs=4000, seed=5, mutant="LE-172", stop_at_first=True)
(first,) = found.failures
failure = FailureFile.of(first.outcome, first.property, [other.world for other in first.others])
path = save_in(tempfile.mkdtemp(), failure)
print("\n".join(story(failure)))

# %% [markdown]
# The same file as a frame: the records around the one at which the promise broke.

# %%
trace = frames.trace_frame(path)
record = failure.violation.record if failure.violation.record >= 0 else len(trace) - 1
trace.loc[max(0, record - 6) : record + 1, ["t_ns", "end", "kind", "name", "nbytes", "told"]]

# %%
frames.callbacks_frame(path)
