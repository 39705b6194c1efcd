-- What mails to a person, an audit of the staff's doings, and links that open one booking need of the tables that stand.

alter table mails add column user_id uuid references auth.users (id);
alter table mails add constraint mails_about_one_thing check (booking_id is null or user_id is null);
comment on column mails.user_id is 'The account that the mail is about, when it is not about a booking.';
create index mails_user_id on mails (user_id, created_at);

create function app_link() returns bytea
    language sql stable parallel safe
    return decode(nullif(current_setting('app.link', true), ''), 'hex');
comment on function app_link is 'Hash of the booking link that this transaction holds. Unset means none, so policies match no row.';

create table audit_log (
    id         bigint generated always as identity primary key,
    at         timestamptz not null default now(),
    actor_id   uuid not null references auth.users (id),
    action     text not null constraint audit_log_action_form check (action ~ '^[a-z_]{1,60}$'),
    booking_id uuid references bookings (id),
    subject    text not null constraint audit_log_subject_length check (length(subject) between 1 and 200),
    data       jsonb not null default '{}' constraint audit_log_data_form check (jsonb_typeof(data) = 'object')
);
comment on table audit_log is 'What members of the agency did and which personal data they looked at; append-only.';
comment on column audit_log.subject is 'Id of what was looked at or changed.';
comment on column audit_log.data is 'Facts in ids, codes and amounts, and reasons given; never names, numbers or addresses.';

create index audit_log_at on audit_log (at desc, id desc);
create index audit_log_actor_id on audit_log (actor_id, at desc);
create index audit_log_booking_id on audit_log (booking_id, at desc);
create trigger audit_log_append_only before update or delete on audit_log
    for each row execute function refuse_change();
create trigger audit_log_no_truncate before truncate on audit_log
    for each statement execute function refuse_change();

alter table audit_log enable row level security;
alter table audit_log force row level security;
-- Staff write under their own name only.
grant select, insert (at, actor_id, action, booking_id, subject, data) on audit_log to jetbridge_staff;
grant select, insert on audit_log to jetbridge_system;
create policy audit_log_staff_reads on audit_log for select to jetbridge_staff using (true);
create policy audit_log_staff_writes on audit_log for insert to jetbridge_staff with check (actor_id = app_user_id());
create policy audit_log_system on audit_log to jetbridge_system using (true) with check (true);
