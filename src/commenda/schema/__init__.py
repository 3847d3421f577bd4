"""SQL migrations; read by `commenda.kit.migrate`."""
