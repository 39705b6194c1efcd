//! Jobs as rows: pushed in the business transaction, claimed, done, retried, dead.
