"""Biases that are read off the state of a recurrent network, which has weights of its own (`rtrbm.models.rnnrbm`)."""

from ..biases import Biases
from .conditioner import Conditioner, Map


class ReadOut(Conditioner):
    """A conditioner whose biases are linear in the output u_{t-1} of a recurrent network.

    b_{v,t} = b_v + u_{t-1} W_uv,   b_{h,t} = b_h + u_{t-1} W_uh
    dO/du_{t-1} = c_t W_uh^T + c_{v,t} W_uv^T
    dO/dW_uh = sum_t u_{t-1}^T c_t,  dO/dW_uv = sum_t u_{t-1}^T c_{v,t},  dO/db_h = sum_t c_t,  dO/db_v = sum_t c_{v,t}

    c_t and c_{v,t} are the derivatives with respect to the biases of frame t (`rtrbm.gradient`). The states in `Memory`
    hold u_{t-1} of every frame as `past`.
    """

    def read_out(self, params, past, engine):
        """The biases of all frames, from `past`, the output u_{t-1} before each: (n_rows, n)."""
        b_v, b_h = engine.product(past, params.W_uv), engine.product(past, params.W_uh)
        b_v += params.b_v
        b_h += params.b_h
        return Biases(b_v, b_h)

    def read_out_backward(self, params, past, c, engine):
        """The derivatives with respect to `past`, and those with respect to W_uh, W_uv, b_h and b_v, by name."""
        d_past = engine.product(c.h, params.W_uh.T)
        d_past += engine.product(c.v, params.W_uv.T)
        W_uh, W_uv = engine.gram(past, c.h), engine.gram(past, c.v)
        return d_past, {"W_uh": W_uh, "W_uv": W_uv, "b_h": c.h.sum(axis=0), "b_v": c.v.sum(axis=0)}

    def biases(self, params, u):
        """The biases of the next frame, of the output u_{t-1} of each sequence."""
        return Biases(params.b_v + u @ params.W_uv, params.b_h + u @ params.W_uh)

    def maps(self):
        return Map("W_uh", "u", "b_h"), Map("W_uv", "u", "b_v")

    def sources(self, memory):
        return {"u": memory.states.past}
