-- The transfer that a query has led to, at either end of it: a child is offered from a query once.

ALTER TABLE query ADD COLUMN led_to TEXT;
ALTER TABLE asked_query ADD COLUMN led_to TEXT;
