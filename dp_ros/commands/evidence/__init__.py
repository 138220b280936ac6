"""dp-ros benchmark evidence: trains, evaluates, tabulates and draws what is said of the method.

    contenders.py   which methods are compared, by their recipes
    sources.py      where a checkpoint comes from: it ships, or is trained first
    workbench.py    runs dp-ros commands, each once
    evaluation.py   one `dp-ros evaluate` and its record; demonstrations.py the same for people
    methods.py, rollouts.py, samplers.py, horizons.py, modes.py, stability.py, dimensions.py
                    a table each: its jobs, and from their records its rows
    store.py        records as JSON; suite.py does what is not there yet; page.py tells

Everything but modes and demonstrations is measured by commands that a user could type.
"""
