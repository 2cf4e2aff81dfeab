curl.exe -X POST https://auth.example.com/token ^
  -H "Content-Type: application/json" ^
  -d "{\"grant_type\":\"client_credentials\",\"client_id\":\"win\",\"client_secret\":\"canary-windows\"}"
