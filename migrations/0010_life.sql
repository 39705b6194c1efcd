-- The life of an account: addresses that were proven, passwords that changed, links that we mailed, and what a person keeps
-- with us to book faster.

alter table auth.users
    add column email_verified_at   timestamptz,
    add column password_changed_at timestamptz,
    add column deleted_at          timestamptz;
comment on column auth.users.email_verified_at is 'When somebody used a link that was mailed to this address. NULL: nobody has proven that it is theirs.';
comment on column auth.users.password_changed_at is 'Links that were asked for before this open nothing any more.';
comment on column auth.users.deleted_at is 'The person has left: no sign-in, no mail, and what named them is gone.';

alter table profiles
    add column born_on     date constraint profiles_born_on_range check (born_on between '1900-01-01' and '2100-01-01'),
    add column nationality text constraint profiles_nationality_form check (nationality ~ '^[A-Z]{2}$');
comment on column profiles.nationality is 'Country of the passport, ISO 3166-1 alpha-2.';
grant insert (born_on, nationality), update (born_on, nationality) on profiles to jetbridge_traveller;
-- Staff help with names and phone numbers; birth and nationality they see on a booking, masked, or not at all.
revoke select on profiles from jetbridge_staff;
grant select (user_id, full_name, phone, created_at, updated_at) on profiles to jetbridge_staff;

create table auth.mail_tokens (
    token_hash bytea primary key constraint mail_tokens_token_hash_form check (length(token_hash) = 32),
    purpose    text not null constraint mail_tokens_purpose_known check (purpose in ('verify_email', 'password_reset', 'email_change')),
    user_id    uuid not null references auth.users (id),
    mail_id    uuid not null constraint mail_tokens_mail_unique unique references mails (id),
    sent_to    citext not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at    timestamptz,
    constraint mail_tokens_expires_later check (expires_at > created_at)
);
comment on table auth.mail_tokens is 'Links that were mailed: each proves once that somebody reads the address it was sent to.';
comment on column auth.mail_tokens.token_hash is 'SHA-256 of the token. The token itself is in the mail and nowhere else.';
comment on column auth.mail_tokens.purpose is 'What the link does; the same word as the kind of its mail.';
comment on column auth.mail_tokens.sent_to is 'The address of the mail. For email_change it is the new one.';
comment on column auth.mail_tokens.created_at is 'When the mail was asked for, not when it went out.';
create index mail_tokens_user_id on auth.mail_tokens (user_id);
create index mail_tokens_expires_at on auth.mail_tokens (expires_at);

alter table auth.mail_tokens enable row level security;
alter table auth.mail_tokens force row level security;
grant select, insert, update (token_hash, used_at), delete on auth.mail_tokens to jetbridge_system;
create policy mail_tokens_system on auth.mail_tokens to jetbridge_system using (true) with check (true);

create function auth.opens(token auth.mail_tokens, at timestamptz) returns boolean
    language sql stable
begin atomic
    select token.used_at is null and token.expires_at > at
       and exists (
            select from auth.users u
             where u.id = token.user_id and u.deleted_at is null
               and case token.purpose
                       -- Whoever asked with the old password, or read the old address, may be the one who was shut out.
                       when 'verify_email' then u.email = token.sent_to
                       when 'password_reset' then u.email = token.sent_to and token.created_at >= coalesce(u.password_changed_at, '-infinity')
                       else token.created_at >= coalesce(u.password_changed_at, '-infinity')
                   end)
       -- The newest of its purpose alone. Mails that have not gone out yet count as well.
       and (token.purpose = 'verify_email' or not exists (
            select from public.mails m
             where m.user_id = token.user_id and m.kind = token.purpose
               and (m.created_at, m.id) > (token.created_at, token.mail_id)));
end;
comment on function auth.opens is 'Whether a mailed link still does what it was mailed for.';
revoke all on function auth.opens(auth.mail_tokens, timestamptz) from public;
grant execute on function auth.opens(auth.mail_tokens, timestamptz) to jetbridge_system;

-- As find_login of 0002, which the version before this one still calls, and says whether the address is proven.
create function auth.find_account(wanted citext)
    returns table (user_id uuid, email citext, password_hash text, staff_role text, verified boolean)
    language sql stable security definer set search_path = pg_catalog, public, auth
begin atomic
    select u.id, u.email, u.password_hash, u.staff_role, u.email_verified_at is not null
      from auth.users u where u.email = wanted and u.deleted_at is null;
end;
comment on function auth.find_account is 'What a sign-in needs to check a password. Callable by Guest.';
grant create on schema auth to jetbridge_system;
alter function auth.find_account(citext) owner to jetbridge_system;
revoke create on schema auth from jetbridge_system;
revoke all on function auth.find_account(citext) from public;
grant execute on function auth.find_account(citext) to jetbridge_guest;

create table saved_travellers (
    id          uuid primary key,
    user_id     uuid not null references auth.users (id),
    given_names text not null constraint saved_travellers_given_names_length check (length(given_names) between 1 and 100),
    family_name text not null constraint saved_travellers_family_name_length check (length(family_name) between 1 and 100),
    born_on     date not null constraint saved_travellers_born_on_range check (born_on between '1900-01-01' and '2100-01-01'),
    sex         text not null constraint saved_travellers_sex_known check (sex in ('f', 'm', 'x')),
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);
comment on table saved_travellers is 'Whom a user often books for, as on the passport. Copied into a booking, never referred to by one.';
create index saved_travellers_user_id on saved_travellers (user_id, created_at, id);
create trigger saved_travellers_touch before update on saved_travellers for each row execute function touch_updated_at();

alter table saved_travellers enable row level security;
alter table saved_travellers force row level security;
grant select, delete on saved_travellers to jetbridge_traveller;
grant insert (id, user_id, given_names, family_name, born_on, sex, created_at),
      update (given_names, family_name, born_on, sex) on saved_travellers to jetbridge_traveller;
grant select, delete on saved_travellers to jetbridge_system;
create policy saved_travellers_own on saved_travellers to jetbridge_traveller
    using (user_id = app_user_id()) with check (user_id = app_user_id());
create policy saved_travellers_system on saved_travellers to jetbridge_system using (true) with check (true);
