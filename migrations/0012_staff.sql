-- The second factor of signing in, and who took care of what needed a person.

create table auth.second_factors (
    user_id      uuid primary key references auth.users (id) on delete cascade,
    secret       bytea not null constraint second_factors_secret_sealed check (length(secret) between 40 and 200),
    confirmed_at timestamptz not null,
    last_step    bigint not null constraint second_factors_last_step_positive check (last_step >= 0),
    wrong_tries  integer not null default 0 constraint second_factors_wrong_tries_positive check (wrong_tries >= 0),
    wrong_at     timestamptz,
    constraint second_factors_wrong_together check ((wrong_tries > 0) = (wrong_at is not null))
);
comment on table auth.second_factors is 'The authenticator app of a person, proven by a code before it counts.';
comment on column auth.second_factors.secret is 'Sealed by the agency''s keys for this user: a copy of the row makes no codes.';
comment on column auth.second_factors.last_step is 'The 30 seconds whose code was used last: a code opens once, and never an older one after it.';
comment on column auth.second_factors.wrong_tries is 'Wrong codes since the last right one; they make the next try wait.';

alter table auth.second_factors enable row level security;
alter table auth.second_factors force row level security;
grant select, insert, update, delete on auth.second_factors to jetbridge_system;
create policy second_factors_system on auth.second_factors to jetbridge_system using (true) with check (true);

create table auth.recovery_codes (
    user_id    uuid not null references auth.second_factors (user_id) on delete cascade,
    hash       bytea not null constraint recovery_codes_hash_length check (length(hash) = 32),
    created_at timestamptz not null,
    used_at    timestamptz,
    primary key (user_id, hash)
);
comment on table auth.recovery_codes is 'For a lost authenticator app: shown once, each good for one sign-in.';
comment on column auth.recovery_codes.hash is 'SHA-256 of a code of 80 random bits, which no dictionary holds.';

alter table auth.recovery_codes enable row level security;
alter table auth.recovery_codes force row level security;
grant select, insert, update, delete on auth.recovery_codes to jetbridge_system;
create policy recovery_codes_system on auth.recovery_codes to jetbridge_system using (true) with check (true);

create index users_staff on auth.users (staff_role) where staff_role is not null;

-- Rows that an older version resolved name nobody.
alter table attention_items add column resolved_by uuid references auth.users (id);
alter table attention_items add column resolved_reason text
    constraint attention_items_resolved_reason_length check (length(resolved_reason) between 1 and 500);
alter table attention_items add constraint attention_items_resolved_with_reason
    check ((resolved_by is null) = (resolved_reason is null) and (resolved_by is null or resolved_at is not null));
comment on column attention_items.resolved_by is 'Who took care of it.';
comment on column attention_items.resolved_reason is 'What they did, in their words.';
create index attention_items_resolved_by on attention_items (resolved_by) where resolved_by is not null;
create index attention_items_open on attention_items (raised_at, id) where resolved_at is null;
create index attention_items_resolved on attention_items (resolved_at desc, id desc) where resolved_at is not null;

-- Staff resolve under their own name, once: what is resolved is no longer theirs to change.
grant update (resolved_at, resolved_by, resolved_reason) on attention_items to jetbridge_staff;
create policy attention_items_staff_resolves on attention_items for update to jetbridge_staff
    using (resolved_at is null) with check (resolved_at is not null and resolved_by = app_user_id());
