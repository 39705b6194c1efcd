-- A person may take along what we keep about them, and may leave. What the export reads, and what keeps an account that was
-- deleted from filling up again.

-- The traveller's own mails: of what kind and when. Not the address they went to, nor what a server said of it.
grant select (id, booking_id, user_id, kind, state, created_at, sent_at) on mails to jetbridge_traveller;
create policy mails_own on mails for select to jetbridge_traveller
    using (user_id = app_user_id() or booking_id in (select b.id from bookings b where b.user_id = app_user_id()));

create function auth.own_account()
    returns table (email citext, created_at timestamptz, email_verified_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, public, auth
begin atomic
    select u.email, u.created_at, u.email_verified_at from auth.users u where u.id = app_user_id() and u.deleted_at is null;
end;
comment on function auth.own_account is 'What a traveller may know of their own row. Callable by Traveller.';

create function auth.refuse_deleted() returns trigger
    language plpgsql security definer set search_path = pg_catalog, auth
as $$
begin
    -- The lock waits for a deletion that is going on, and is refused by one that is done.
    perform from auth.users u where u.id = new.user_id and u.deleted_at is null for key share;
    if not found then
        raise exception 'the account % is deleted', new.user_id
            using errcode = 'foreign_key_violation', constraint = tg_table_name || '_user_is_there';
    end if;
    return new;
end
$$;
comment on function auth.refuse_deleted is 'Trigger: a request that was on its way puts nothing into an account that is deleted meanwhile.';

create function auth.forget_recipient() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public, auth
as $$
begin
    if exists (
        select from auth.users u
         where u.deleted_at is not null
           and u.id = coalesce(new.user_id, (select b.user_id from bookings b where b.id = new.booking_id))
    ) then
        new.to_address := 'deleted@deleted.invalid';
    end if;
    return new;
end
$$;
comment on function auth.forget_recipient is 'Trigger: a mail to somebody who has left keeps the address only until it is sent or given up.';

-- As in 0002: definers that pass FORCEd row-level security because the system role does.
grant create on schema auth to jetbridge_system;
alter function auth.own_account() owner to jetbridge_system;
alter function auth.refuse_deleted() owner to jetbridge_system;
alter function auth.forget_recipient() owner to jetbridge_system;
revoke create on schema auth from jetbridge_system;
revoke all on function auth.own_account(), auth.refuse_deleted(), auth.forget_recipient() from public;
grant usage on schema auth to jetbridge_traveller;
grant execute on function auth.own_account() to jetbridge_traveller;

create trigger bookings_user_is_there before insert or update of user_id on bookings
    for each row when (new.user_id is not null) execute function auth.refuse_deleted();
create trigger saved_travellers_user_is_there before insert on saved_travellers
    for each row execute function auth.refuse_deleted();
create trigger devices_user_is_there before insert on auth.devices
    for each row execute function auth.refuse_deleted();
create trigger token_families_user_is_there before insert on auth.token_families
    for each row execute function auth.refuse_deleted();
create trigger mail_tokens_user_is_there before insert on auth.mail_tokens
    for each row execute function auth.refuse_deleted();
create trigger profiles_user_is_there before update on profiles
    for each row when (new.full_name <> '' or new.phone <> '' or new.born_on is not null or new.nationality is not null)
    execute function auth.refuse_deleted();
create trigger mails_forget_recipient before update on mails
    for each row when (new.state <> 'queued') execute function auth.forget_recipient();

-- Stripe's events say who paid, and nothing of ours asks for it. New ones are kept without (payments::event); these are
-- the ones that came before.
create function without_people(node jsonb) returns jsonb
    language plpgsql immutable
as $$
begin
    return case jsonb_typeof(node)
        when 'object' then (
            select coalesce(jsonb_object_agg(e.key, public.without_people(e.value)), '{}')
              from jsonb_each(node) e
             where e.key not in ('customer_details', 'customer_email', 'billing_details', 'receipt_email', 'shipping',
                                 'shipping_details', 'collected_information', 'email', 'phone', 'name', 'address'))
        when 'array' then (
            select coalesce(jsonb_agg(public.without_people(e.value) order by e.place), '[]')
              from jsonb_array_elements(node) with ordinality as e(value, place))
        else node
    end;
end
$$;
set local role jetbridge_system;
update stripe_events set payload = without_people(payload);
reset role;
drop function without_people(jsonb);
