-- Money that goes back by passenger and line: what a price is made of, and which refund gives back how much of which line.

create table price_lines (
    booking_id   uuid not null references bookings (id),
    passenger    smallint not null constraint price_lines_passenger_range check (passenger between 0 and 9),
    item         text not null constraint price_lines_item_form check (item ~ '^(fare|tax_[1-9][0-9]?)$'),
    amount_minor bigint not null constraint price_lines_amount_positive check (amount_minor > 0),
    primary key (booking_id, passenger, item)
);
comment on table price_lines is 'The total of a booking in its parts, one for each passenger and fare or tax. Written with the first refund by line, in the currency of the booking, and never changed.';
comment on column price_lines.passenger is 'Position of the passenger; 0 where the supplier tells one price for everybody together.';
comment on column price_lines.item is 'The fare, or a tax by its place in the quote, which has its name.';

create function check_price_lines() returns trigger
    language plpgsql
as $$
begin
    if (select sum(l.amount_minor) from public.price_lines l where l.booking_id = new.booking_id)
       is distinct from (select b.amount_minor from public.bookings b where b.id = new.booking_id) then
        raise exception 'the lines of booking % are not its total', new.booking_id
            using errcode = 'check_violation', constraint = 'price_lines_total';
    end if;
    return null;
end
$$;
comment on function check_price_lines is 'Constraint trigger at commit: the lines of a booking add up to its total.';
create constraint trigger price_lines_total after insert on price_lines
    deferrable initially deferred for each row execute function check_price_lines();
create trigger price_lines_append_only before update or delete on price_lines for each row execute function refuse_change();
create trigger price_lines_no_truncate before truncate on price_lines for each statement execute function refuse_change();

alter table price_lines enable row level security;
alter table price_lines force row level security;
grant select on price_lines to jetbridge_staff;
grant select, insert on price_lines to jetbridge_system;
create policy price_lines_staff on price_lines for select to jetbridge_staff using (true);
create policy price_lines_system on price_lines to jetbridge_system using (true) with check (true);

create table refund_lines (
    refund_id    uuid not null references refunds (id),
    booking_id   uuid not null,
    passenger    smallint not null,
    item         text not null,
    amount_minor bigint not null constraint refund_lines_amount_positive check (amount_minor > 0),
    primary key (refund_id, passenger, item),
    constraint refund_lines_of_price foreign key (booking_id, passenger, item)
        references price_lines (booking_id, passenger, item)
);
comment on table refund_lines is 'How much of which line a refund gives back. A refund of an amount only has none.';
create index refund_lines_line on refund_lines (booking_id, passenger, item);

create function guard_refund_line() returns trigger
    language plpgsql
as $$
declare
    price bigint;
    back  bigint;
begin
    -- The lock makes two refunds at once queue up here, so that each sees the other.
    perform from public.bookings b where b.id = new.booking_id for no key update;
    if not exists (select from public.refunds r where r.id = new.refund_id and r.booking_id = new.booking_id) then
        raise exception 'refund % is not of booking %', new.refund_id, new.booking_id
            using errcode = 'check_violation', constraint = 'refund_lines_own_booking';
    end if;
    select l.amount_minor into price from public.price_lines l
     where l.booking_id = new.booking_id and l.passenger = new.passenger and l.item = new.item;
    select coalesce(sum(l.amount_minor), 0) into back
      from public.refund_lines l join public.refunds r on r.id = l.refund_id
     where l.booking_id = new.booking_id and l.passenger = new.passenger and l.item = new.item and r.state <> 'failed';
    if back + new.amount_minor > price then
        raise exception 'refunds of % would exceed the % of this line', back + new.amount_minor, price
            using errcode = 'check_violation', constraint = 'refund_lines_within_price';
    end if;
    return new;
end
$$;
comment on function guard_refund_line is 'Trigger: of no line more goes back than it cost, whatever is refunded at once. A refund that failed gave nothing back.';
create trigger refund_lines_guard before insert on refund_lines
    for each row execute function guard_refund_line();

create function check_refund_lines() returns trigger
    language plpgsql
as $$
begin
    if (select sum(l.amount_minor) from public.refund_lines l where l.refund_id = new.refund_id)
       is distinct from (select r.amount_minor from public.refunds r where r.id = new.refund_id) then
        raise exception 'the lines of refund % are not its amount', new.refund_id
            using errcode = 'check_violation', constraint = 'refund_lines_total';
    end if;
    return null;
end
$$;
comment on function check_refund_lines is 'Constraint trigger at commit: a refund by lines is exactly the sum of its lines.';
create constraint trigger refund_lines_total after insert on refund_lines
    deferrable initially deferred for each row execute function check_refund_lines();
create trigger refund_lines_append_only before update or delete on refund_lines for each row execute function refuse_change();
create trigger refund_lines_no_truncate before truncate on refund_lines for each statement execute function refuse_change();

alter table refund_lines enable row level security;
alter table refund_lines force row level security;
grant select on refund_lines to jetbridge_staff;
grant select, insert on refund_lines to jetbridge_system;
create policy refund_lines_staff on refund_lines for select to jetbridge_staff using (true);
create policy refund_lines_system on refund_lines to jetbridge_system using (true) with check (true);
