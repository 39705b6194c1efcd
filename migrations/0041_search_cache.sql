-- The search cache, for several processes: an answer is fresh for a while and may be served a little longer while it is asked
-- for anew, and of all who miss it one asks.

alter table flight_searches
    add column left_out integer not null default 0 constraint flight_searches_left_out_not_negative check (left_out >= 0),
    add column fresh_until timestamptz constraint flight_searches_fresh_before_it_expires check (fresh_until <= expires_at);
comment on column flight_searches.left_out is 'Offers that the supplier made and that we cannot show.';
comment on column flight_searches.fresh_until is 'From then on it is asked for anew, while it is still served. None: as long as it lives.';

create table flight_search_claims (
    key   bytea primary key constraint flight_search_claims_key_is_sha256 check (octet_length(key) = 32),
    until timestamptz not null
);
comment on table flight_search_claims is 'Searches that a process is asking the supplier at this moment: the others wait for its answer. Gone once it is there; a claim past its time is anybody''s.';
create index flight_search_claims_until on flight_search_claims (until);

alter table flight_search_claims enable row level security;
alter table flight_search_claims force row level security;
grant select, insert, update, delete on flight_search_claims to jetbridge_system;
create policy flight_search_claims_system on flight_search_claims to jetbridge_system using (true) with check (true);
