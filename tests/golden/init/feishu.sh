curl -i -X POST 'https://open.feishu.cn/open-apis/auth/v3/tenant_access_token/internal' -H 'Content-Type: application/json; charset=utf-8' \
  -d '{"app_id": "cli_a1", "app_secret": "canary-feishu"}'
