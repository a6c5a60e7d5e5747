-- What stands in the racks. Replace it by a query to your own inventory.
CREATE TABLE device (serial TEXT PRIMARY KEY, model TEXT, rack TEXT, unit INTEGER);
CREATE TABLE port (serial TEXT, number INTEGER, peer TEXT, state TEXT, errors INTEGER, PRIMARY KEY (serial, number));
CREATE TABLE ticket (id INTEGER PRIMARY KEY, serial TEXT, number INTEGER, note TEXT, session TEXT);

INSERT INTO device VALUES
  ('SW-0417', 'access switch, 24 ports', 'R2', 18),
  ('SW-0418', 'access switch, 24 ports', 'R2', 19),
  ('PDU-031', 'power strip', 'R2', 1);
INSERT INTO port VALUES
  ('SW-0417', 1, 'uplink to core-1', 'up', 0),
  ('SW-0417', 13, 'camera 7', 'up', 2),
  ('SW-0417', 14, 'door controller 3', 'err-disabled', 18204),
  ('SW-0418', 1, 'uplink to core-2', 'up', 0);
