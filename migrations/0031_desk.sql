-- What staff decide about payments that did not fit, and the inbox as they page through it.

alter table attempts add column given_back_at timestamptz;
comment on column attempts.given_back_at is 'When staff decided that this payment, which was in quarantine, goes back. From then on nothing is bought with it, whatever is heard of it.';

-- The inbox as staff page through it.
create index stripe_events_newest on stripe_events (received_at desc, id desc);
create index stripe_events_by_state on stripe_events (state, received_at desc, id desc);
