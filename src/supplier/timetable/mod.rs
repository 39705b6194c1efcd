//! The embedded demo supplier: a deterministic world timetable.
