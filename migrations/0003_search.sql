-- The search cache: what a supplier answered, under the canonical form of what was asked.

create table flight_searches (
    key        bytea primary key constraint flight_searches_key_is_sha256 check (octet_length(key) = 32),
    params     jsonb not null constraint flight_searches_params_form check (jsonb_typeof(params) = 'object'),
    results    jsonb not null constraint flight_searches_results_form check (jsonb_typeof(results) = 'array'),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    constraint flight_searches_expires_later check (expires_at > created_at)
);
comment on table flight_searches is 'Cached supplier answers. Public data: nobody''s name is in it.';
comment on column flight_searches.key is 'SHA-256 of the canonical params: equal searches share one row.';
comment on column flight_searches.results is 'Offers as JSON, none valid past its own expires_at.';

create index flight_searches_params on flight_searches using gin (params jsonb_path_ops);
create index flight_searches_expires_at on flight_searches (expires_at);

-- Anybody may search; only the system writes what was found.
alter table flight_searches enable row level security;
alter table flight_searches force row level security;
grant select on flight_searches to jetbridge_guest, jetbridge_traveller, jetbridge_staff;
grant select, insert, update, delete on flight_searches to jetbridge_system;
create policy flight_searches_read on flight_searches for select to jetbridge_guest, jetbridge_traveller, jetbridge_staff using (true);
create policy flight_searches_system on flight_searches to jetbridge_system using (true) with check (true);

create function delete_expired_searches(at timestamptz default now()) returns bigint
    language sql
begin atomic
    with gone as (delete from flight_searches where expires_at <= at returning 1)
    select count(*) from gone;
end;
comment on function delete_expired_searches is 'Empties the cache of what no longer holds; returns how many rows went.';
revoke all on function delete_expired_searches(timestamptz) from public;
grant execute on function delete_expired_searches(timestamptz) to jetbridge_system;
