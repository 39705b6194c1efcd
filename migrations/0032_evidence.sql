-- From where a total and its conditions were accepted: what a bank asks for when a charge is disputed.

alter table attempts add column accepted_from text
    constraint attempts_accepted_from_form check (accepted_from ~ '^[0-9a-f:.]{2,45}$');
comment on column attempts.accepted_from is 'The network address that pressed pay. Personal data, kept as evidence for a dispute and forgotten after 540 days, when no bank takes one any more.';
create index attempts_accepted_from on attempts (created_at) where accepted_from is not null;
