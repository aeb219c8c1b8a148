"""The update of an RTRBM as it is written in torch and in JAX: what `experiments.benchmark` compares with.

Same mathematics as `rtrbm`: the recurrence 3.20, CD-k with sampled binary states, the gradient in its right form, centred
coordinates, Adam. Each module has

    states(params, v)                     -> r, b_h
    gradient(params, v, r, v_neg, h_neg)  -> gradient of the sum over frames, given the end of the chain
    Update(params, n_gibbs, rate, seed)   -> an object; `update(videos)` makes one update and returns the reconstruction
                                             error per frame and the gradient's norm, `update.cd_gradient(videos)` draws one
                                             gradient, `update.params` are the parameters as numpy arrays

with `params` an `RTRBMParams` of the library's arrays and v of shape (n_frames, n_sequences, n_visible). Both write the
backward pass as the explicit recursion 3.23, which is faster than their automatic differentiation and keeps no tape.
"""
