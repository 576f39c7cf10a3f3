#pragma once

/// From now on each delivery of `signal` writes one byte, the signal's number, to `descriptor` (a non-blocking pipe), in place of what
/// it did before. Returns 0, or -1 with errno set. One descriptor per signal.
int tk_signal_forward(int signal, int descriptor);

/// Restores what `signal` did before it was forwarded to `descriptor`. Does nothing if it is not.
void tk_signal_restore(int signal, int descriptor);

/// A non-blocking, close-on-exec pipe.
int tk_pipe(int ends[2]);
