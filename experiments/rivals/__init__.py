"""The update of an RTRBM written in torch and in JAX, for the comparison of `experiments.benchmark`.

The mathematics is that of `rtrbm`: the recurrence 3.20, CD-k with sampled binary states, the gradient in its right
form, centred coordinates, Adam. Each module has

    states(params, v)                     -> r, b_h
    gradient(params, v, r, v_neg, h_neg)  -> gradient of the sum over frames, given the end of the chain
    Update(params, n_gibbs, rate, seed)   -> an object; `update(videos)` makes one update and returns the
                                             reconstruction error per frame and the gradient's norm,
                                             `update.cd_gradient(videos)` draws one gradient,
                                             `update.params` are the parameters as numpy arrays

with `params` an `RTRBMParams` of the library's arrays, without taps, and v of shape (n_frames, n_sequences, n_visible).
Both write the backward pass as the explicit recursion 3.23 and keep no tape.

One thread makes torch's own random numbers, and JAX's cost as much as the products. So each module has a second form,
`hashed`, with random numbers that neither library offers: a hash of a counter, fused into the comparison. It shows the
cost of the libraries' random numbers. Its stream is of lesser quality than theirs.
"""


def mix(n, high, low, shift_right):
    """A hash of 32-bit integers (the multipliers of C. Wellons's lowbias32), keyed by two words.

    Parameters
    ----------
    n : array of 32-bit integers
        A counter; arithmetic must wrap around.
    high, low : 32-bit integers
        The key.
    shift_right : callable (array, bits) -> array
        The logical shift.

    Returns
    -------
    array of 32-bit integers
    """
    x = (n ^ high) * 0x21F0AAAD
    x = ((x ^ shift_right(x, 15)) + low) * 0x735A2D97
    return x ^ shift_right(x, 15)
