-- The staff's mail log: what a mail said when it last went out, and mails that staff sent again.

alter table mails add column resent_of uuid references mails (id);
comment on column mails.resent_of is 'The mail that staff sent again by this one, to the contact of that moment. Always the first, never a repetition.';
create index mails_resent_of on mails (resent_of) where resent_of is not null;
create index mails_newest on mails (created_at desc, id desc);
create index mails_by_state on mails (state, created_at desc, id desc) where state <> 'sent';
create index mails_by_kind on mails (kind, created_at desc, id desc);

create table mail_copies (
    mail_id     uuid primary key references mails (id) on delete cascade,
    subject     text not null constraint mail_copies_subject_length check (length(subject) <= 300),
    body_text   text not null constraint mail_copies_text_length check (length(body_text) <= 200000),
    body_html   text not null constraint mail_copies_html_length check (length(body_html) <= 1000000),
    composed_at timestamptz not null
);
comment on table mail_copies is 'What a mail said at its last try, without the secrets that its links carry. For staff who answer for it; forgotten after 30 days, and at once when its reader leaves.';
comment on column mail_copies.composed_at is 'When it was last written: a mail is composed anew for every try.';
create index mail_copies_composed_at on mail_copies (composed_at);

alter table mail_copies enable row level security;
alter table mail_copies force row level security;
grant select on mail_copies to jetbridge_staff;
grant select, insert, update, delete on mail_copies to jetbridge_system;
create policy mail_copies_staff on mail_copies for select to jetbridge_staff using (true);
create policy mail_copies_system on mail_copies to jetbridge_system using (true) with check (true);
