"""What pictures say of themselves beside their pixels; knows no file format."""
