"""Mistakes that mypy and pyright must find: every line with the comment `wrong`, and no other (tests/test_types.py)."""

import numpy as np

import rtrbm
from rtrbm import RTRBM, Stack
from rtrbm.datasets import bouncing_balls
from rtrbm.evaluate import squared_error

X = np.zeros((2, 5, 3))
model = RTRBM(n_hiden=3)  # wrong
model = RTRBM(3, 4)  # wrong
model = RTRBM(3, bptt="no")  # wrong
model = RTRBM(3)
model.fit(X, windw=3)  # wrong
model.fit(x=X)  # wrong
model.fit(None)  # wrong
model.predict(X).upper()  # wrong
model.predict([np.zeros((5, 3)), np.zeros((4, 3))]).shape  # wrong
model.score(X).upper()  # wrong
first, second = model.sample(3)
first, second = model.sample(3, return_states=True)
model.forecast(X, 3).median  # wrong
model.sampel(3)  # wrong
Stack([model]).transform(X, pool=3)  # wrong
bouncing_balls(3, n_frams=2)  # wrong
squared_error(X, X).mean()  # wrong
rtrbm.RTRMB(3)  # wrong
