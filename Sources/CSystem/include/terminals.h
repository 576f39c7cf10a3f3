#pragma once

/// Stops showing what is typed at a terminal, and drops what was typed before. A signal that ends the process meanwhile shows it again first.
/// One terminal at a time. 0 when that worked.
int tk_hide_input(int descriptor);

/// Shows again what is typed.
///
/// Returns whether it was hidden.
int tk_show_input(void);
