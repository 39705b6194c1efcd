-- Work that follows from a committed change: jobs, mails, and things that need a person.

create table outbox (
    id          bigint generated always as identity primary key,
    kind        text not null constraint outbox_kind_form check (kind ~ '^[a-z_]{1,40}$'),
    subject     text not null constraint outbox_subject_form check (subject ~ '^[A-Za-z0-9_-]{1,220}$'),
    state       text not null default 'ready' constraint outbox_state_known check (state in ('ready', 'running', 'done', 'dead')),
    due_at      timestamptz not null,
    tries       integer not null default 0 constraint outbox_tries_positive check (tries >= 0),
    lease_until timestamptz,
    last_error  text constraint outbox_last_error_length check (length(last_error) <= 500),
    created_at  timestamptz not null default now(),
    finished_at timestamptz,
    constraint outbox_running_has_lease check ((state = 'running') = (lease_until is not null)),
    constraint outbox_finished check ((state in ('done', 'dead')) = (finished_at is not null))
);
comment on table outbox is 'Jobs, pushed in the transaction that makes them necessary. Ids only: a job reads the present state when it runs.';
comment on column outbox.subject is 'Id of the row that the job is about.';
comment on column outbox.due_at is 'Not before; timers are jobs with a later due_at.';
comment on column outbox.lease_until is 'When a worker that died with the job is given up on.';

-- One open job of a kind for a subject: pushing again while it waits is the same wish. A running one may be followed by another.
create unique index outbox_ready_once on outbox (kind, subject) where state = 'ready';
create index outbox_due on outbox (due_at, id) where state = 'ready';
create index outbox_leases on outbox (lease_until) where state = 'running';
create index outbox_subject on outbox (subject);

alter table outbox enable row level security;
alter table outbox force row level security;
grant select on outbox to jetbridge_staff;
grant select, insert, update, delete on outbox to jetbridge_system;
create policy outbox_staff on outbox for select to jetbridge_staff using (true);
create policy outbox_system on outbox to jetbridge_system using (true) with check (true);

create table mails (
    id         uuid primary key,
    booking_id uuid references bookings (id),
    kind       text not null constraint mails_kind_form check (kind ~ '^[a-z_]{1,40}$'),
    once_key   text not null constraint mails_once_key_unique unique constraint mails_once_key_length check (length(once_key) between 1 and 200),
    to_address text not null constraint mails_to_address_form check (length(to_address) between 3 and 254 and to_address ~ '^[^@\s]+@[^@\s]+$'),
    state      text not null default 'queued' constraint mails_state_known check (state in ('queued', 'sent', 'dead')),
    subject    text constraint mails_subject_length check (length(subject) <= 300),
    last_error text constraint mails_last_error_length check (length(last_error) <= 500),
    created_at timestamptz not null default now(),
    sent_at    timestamptz,
    constraint mails_sent check ((state = 'sent') = (sent_at is not null))
);
comment on table mails is 'Every mail that we owe or have sent. The text is composed from present data when it goes out.';
comment on column mails.once_key is 'Kind and cause: the same cause never makes two mails.';
create index mails_booking_id on mails (booking_id, created_at);

alter table mails enable row level security;
alter table mails force row level security;
grant select on mails to jetbridge_staff;
grant select, insert, update on mails to jetbridge_system;
create policy mails_staff on mails for select to jetbridge_staff using (true);
create policy mails_system on mails to jetbridge_system using (true) with check (true);

create table attention_items (
    id          bigint generated always as identity primary key,
    kind        text not null constraint attention_items_kind_form check (kind ~ '^[a-z_]{1,40}$'),
    subject     text not null constraint attention_items_subject_length check (length(subject) between 1 and 220),
    booking_id  uuid references bookings (id),
    detail      text not null constraint attention_items_detail_length check (length(detail) <= 1000),
    raised_at   timestamptz not null default now(),
    resolved_at timestamptz
);
comment on table attention_items is 'Things that need a person.';
comment on column attention_items.subject is 'Id of what it is about; one open item of a kind for each.';
create unique index attention_items_open_once on attention_items (kind, subject) where resolved_at is null;
create index attention_items_booking_id on attention_items (booking_id);

alter table attention_items enable row level security;
alter table attention_items force row level security;
grant select on attention_items to jetbridge_staff;
grant select, insert, update on attention_items to jetbridge_system;
create policy attention_items_staff on attention_items for select to jetbridge_staff using (true);
create policy attention_items_system on attention_items to jetbridge_system using (true) with check (true);
