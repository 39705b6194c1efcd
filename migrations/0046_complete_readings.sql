-- Both books are compared once everything that Stripe had told by then is in ours; so it is kept when a list was last read
-- to its end, and not only when somebody began.

alter table stripe_readings add column complete_at timestamptz;
comment on column stripe_readings.complete_at is 'When the last reading began that came to its end: what Stripe listed by then is here. Empty: none has.';
