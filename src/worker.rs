//! Claims jobs and runs them; the periodic sweeps.
