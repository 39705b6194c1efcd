-- What needed a person may come right by itself; then there is a reason, and nobody who gave it.

alter table attention_items drop constraint attention_items_resolved_with_reason;
alter table attention_items add constraint attention_items_resolved_with_reason
    check ((resolved_by is null or resolved_reason is not null) and (resolved_reason is null or resolved_at is not null));
comment on column attention_items.resolved_by is 'Who took care of it; nobody, where it came right by itself.';
comment on column attention_items.resolved_reason is 'What they did, in their words, or how it came right.';
