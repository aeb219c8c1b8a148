"""Denoisers without a model: linear in the noisy video, fitted to pairs of clean and noisy videos.

Both learn the noise from such pairs. No temporal RBM is given this knowledge. Videos are arrays
(n_videos, n_frames, height * width) of square frames; every estimate is clipped to [0, 1].
"""

import itertools
import math

import numpy as np

WIDTHS = (0.5, 0.7, 0.9, 1.1, 1.3, 1.6, 2.0)


class Smoother:
    """Gaussian smoothing in space and time, then the best line: a + b (smoothed pixel).

    A pixel at a distance d, in pixels or in frames, has a weight proportional to exp(-d^2 / 2 width^2). At borders the
    weights of the pixels within are scaled up to sum to one. It looks ahead as far as it looks back.

    Parameters
    ----------
    clean, noisy : (n_videos, n_frames, n_pixels) ndarrays
        Videos to find the widths (among `WIDTHS`) and the line on, by least squares.

    Attributes
    ----------
    space, time : float
        The widths, in pixels and in frames.
    slope, offset : float
    """

    def __init__(self, clean, noisy):
        best = np.inf
        for space, time in itertools.product(WIDTHS, WIDTHS):
            smoothed = _smooth(noisy, space, time)
            centred, mean = smoothed - smoothed.mean(), clean.mean()
            slope = np.vdot(centred, clean - mean) / np.vdot(centred, centred)
            error = np.square(np.clip(mean + slope * centred, 0, 1) - clean).mean()
            if error < best:
                best, self.space, self.time = error, space, time
                self.slope, self.offset = slope, mean - slope * smoothed.mean()

    def denoise(self, noisy):
        """The clean videos' estimate."""
        return np.clip(self.slope * _smooth(noisy, self.space, self.time) + self.offset, 0, 1)


class Wiener:
    """The best linear estimate of a clean frame from the noisy frames around it, a Wiener filter of finite length.

    x_t = m_x + sum_{n=-n_future..n_past} (y_{t-n} - m_y) K_n, with m_x and m_y the mean clean and noisy frame and K
    the solution of the normal equations over frames whose neighbours are all in the video (in others the missing ones
    count as m_y). The K_n are not tied from pixel to pixel: the filter knows where in the frame it is.

    Parameters
    ----------
    clean, noisy : (n_videos, n_frames, n_pixels) ndarrays
        Videos to fit to, by least squares.
    n_past, n_future : int
        Frames before and after the one that is estimated.

    Attributes
    ----------
    K : ((n_past + 1 + n_future) * n_pixels, n_pixels) ndarray
        K_{n_past} first, K_{-n_future} last.
    """

    def __init__(self, clean, noisy, n_past, n_future=0):
        self.n_past, self.n_future = n_past, n_future
        self.mean_clean, self.mean_noisy = clean.mean(axis=(0, 1)), noisy.mean(axis=(0, 1))
        n = (n_past + 1 + n_future) * clean.shape[2]
        S_yy, S_yx = np.zeros((n, n)), np.zeros((n, clean.shape[2]))
        inside = slice(n_past, clean.shape[1] - n_future)
        for x, y in zip(clean, noisy):
            around = self._around(y)[inside]
            S_yy += around.T @ around
            S_yx += around.T @ (x[inside] - self.mean_clean)
        self.K = np.linalg.solve(S_yy, S_yx).astype(clean.dtype)

    def denoise(self, noisy):
        """The clean videos' estimate."""
        return np.stack([np.clip(self.mean_clean + self._around(y) @ self.K, 0, 1) for y in noisy])

    def _around(self, y):
        """For every frame the noisy frames around it, side by side, less their mean."""
        padded = np.pad(y - self.mean_noisy, ((self.n_past, self.n_future), (0, 0)))
        return np.hstack([padded[k : k + len(y)] for k in range(self.n_past + 1 + self.n_future)])


def _smooth(videos, space, time):
    """Gaussian smoothing along rows, columns and frames."""
    n_videos, n_frames, n_pixels = videos.shape
    side = math.isqrt(n_pixels)
    within = _gaussian(side, space).astype(videos.dtype)
    smoothed = within @ videos.reshape(-1, side, side) @ within.T
    return _gaussian(n_frames, time).astype(videos.dtype) @ smoothed.reshape(videos.shape)


def _gaussian(n, width):
    """Gaussian weights between n places in a row, each row of them summing to one."""
    i = np.arange(n)
    weights = np.exp(-0.5 * ((i[:, None] - i) / width) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)
