-- SPDX-FileCopyrightText: virtmail.mailserver contributors
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Every change of a row leaves a trace, whoever makes it. Of a password there is only that it changed.

CREATE TABLE mail_internal.history (
  id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT now(),
  role text NOT NULL DEFAULT session_user,
  kind text NOT NULL,
  key text NOT NULL,
  verb text NOT NULL,
  before json,
  after json
);

-- Rows come in the order of time, so a few bytes for each block of them suffice; a real index would slow down every load.
CREATE INDEX history_at_idx ON mail_internal.history USING brin (at);

-- Names and values in which two rows differ; nothing if they do not.
CREATE FUNCTION mail_internal.difference(
  older jsonb, newer jsonb, older_password text, newer_password text, OUT before json, OUT after json
)
LANGUAGE sql IMMUTABLE
AS $$
  SELECT json_object_agg(name, old_value), json_object_agg(name, new_value)
  FROM (
    SELECT name, old_row.value, new_row.value
    FROM jsonb_each(older) AS old_row (name, value)
    JOIN jsonb_each(newer) AS new_row (name, value) USING (name)
    WHERE old_row.value <> new_row.value
    UNION ALL
    SELECT 'password', '"set"', '"changed"' WHERE older_password <> newer_password
  ) AS differing (name, old_value, new_value)
$$;

-- Arguments: the kind of row, and the columns that may be shown, the key first. Rows become json whole, because to build
-- it from single values makes a load take half as long again.
CREATE FUNCTION mail_internal.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  shown constant text := (SELECT string_agg(format('%%1$s.%I', name), ', ') FROM unnest(TG_ARGV[1:]) AS name);
  source constant text := CASE TG_OP WHEN 'INSERT' THEN 'new_rows' WHEN 'TRUNCATE' THEN TG_RELID::regclass::text ELSE 'old_rows' END;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    EXECUTE format(
      'INSERT INTO mail_internal.history (kind, key, verb, before, after)'
      ' SELECT %L, newer.%I, ''updated'', changed.before, changed.after'
      ' FROM old_rows AS older JOIN new_rows AS newer USING (id)'
      ' CROSS JOIN mail_internal.difference('
      '   (SELECT to_jsonb(shown) FROM (SELECT %s) AS shown), (SELECT to_jsonb(shown) FROM (SELECT %s) AS shown),'
      '   to_jsonb(older) ->> ''password'', to_jsonb(newer) ->> ''password'''
      ' ) AS changed'
      ' WHERE changed.after IS NOT NULL',
      TG_ARGV[0], TG_ARGV[1], format(shown, 'older'), format(shown, 'newer')
    );
  ELSE
    EXECUTE format(
      'INSERT INTO mail_internal.history (kind, key, verb, %I)'
      ' SELECT %L, shown.%I, %L, row_to_json(shown) FROM (SELECT %s FROM %s AS changed) AS shown',
      CASE TG_OP WHEN 'INSERT' THEN 'after' ELSE 'before' END, TG_ARGV[0], TG_ARGV[1],
      CASE TG_OP WHEN 'INSERT' THEN 'created' ELSE 'deleted' END, format(shown, 'changed'), source
    );
  END IF;
  RETURN NULL;
END
$$;

DO $triggers$
DECLARE
  watched record;
BEGIN
  FOR watched IN
    SELECT * FROM (VALUES
      ('virtual_domains', '''domain'', ''name'', ''description'', ''active'', ''managed'''),
      ('virtual_users', '''user'', ''email'', ''display_name'', ''quota_bytes'', ''active'', ''managed'''),
      ('virtual_aliases', '''alias'', ''source'', ''destination'', ''managed''')
    ) AS list (tab, arguments)
  LOOP
    EXECUTE format(
      'CREATE TRIGGER mail_history_insert AFTER INSERT ON public.%1$I REFERENCING NEW TABLE AS new_rows'
      ' FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.record_change(%2$s);'
      'CREATE TRIGGER mail_history_update AFTER UPDATE ON public.%1$I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
      ' FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.record_change(%2$s);'
      'CREATE TRIGGER mail_history_delete AFTER DELETE ON public.%1$I REFERENCING OLD TABLE AS old_rows'
      ' FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.record_change(%2$s);'
      'CREATE TRIGGER mail_history_truncate BEFORE TRUNCATE ON public.%1$I'
      ' FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.record_change(%2$s)',
      watched.tab, watched.arguments
    );
  END LOOP;
END
$triggers$;

CREATE FUNCTION mail_internal.trim_history(older_than interval) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ DELETE FROM mail_internal.history WHERE at < now() - older_than $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA mail_internal FROM PUBLIC;
