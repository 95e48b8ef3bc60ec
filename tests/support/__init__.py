"""What the tests are made with: servers, fakes, requests, clients. No test is in here."""
